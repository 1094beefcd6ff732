// What everything outside cli/ knows of logging. cli/ gives a pino; a library user gives what he has.

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const ignore = (): void => {};

export const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
