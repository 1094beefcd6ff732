// Whoever has a store open.

export interface Owner {
  readonly pid: number;
  /** Tells two processes with one pid apart; '' where the system does not say. */
  readonly started: string;
}
