// Looking for words in bytes that should not have them: as they are, and in the forms that programs give to texts on
// their way. The words are letters and digits, so that they look the same in JSON, in a URL and in MessagePack.

export interface Finding {
  readonly form: string;
  readonly at: number;
}

/** A text in every form that is looked for. */
export function forms(text: string): ReadonlyMap<string, Buffer> {
  const bytes = Buffer.from(text, 'utf8');
  const hex = bytes.toString('hex');
  const wide = Buffer.from(text, 'utf16le');
  const found = new Map([
    ['text', bytes],
    ['hex', Buffer.from(hex)],
    ['HEX', Buffer.from(hex.toUpperCase())],
    ['UTF-16LE', wide],
    ['UTF-16BE', Buffer.from(wide).swap16()],
    ['reversed', Buffer.from(bytes).reverse()],
  ]);
  // In base64 a text looks in three ways, by its place; what the bytes around it touch is left out.
  for (const shift of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]);
    const whole = shifted.toString('base64').replaceAll('=', '');
    const from = [0, 2, 3][shift] as number;
    const end = Math.floor((shifted.length * 8) / 6);
    const part = whole.slice(from, end);
    found.set(`base64 +${shift}`, Buffer.from(part));
    found.set(`base64url +${shift}`, Buffer.from(part.replaceAll('+', '-').replaceAll('/', '_')));
  }
  return found;
}

/** Where any of the forms is. */
export function search(bytes: Buffer, text: string): Finding[] {
  return [...forms(text)].flatMap(([form, needle]) => {
    const at = bytes.indexOf(needle);
    return at < 0 ? [] : [{ form, at }];
  });
}
