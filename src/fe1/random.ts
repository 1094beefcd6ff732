// Where randomness comes from is a parameter: tests draw from a fixed stream.

export type Random = (length: number) => Uint8Array;
