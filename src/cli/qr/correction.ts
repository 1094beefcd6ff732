// Reed-Solomon over GF(256) with the polynomial of QR codes, x^8+x^4+x^3+x^2+1.

const POLYNOMIAL = 0x11d;
const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = x & 0x80 ? (x << 1) ^ POLYNOMIAL : x << 1;
}

export function times(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return EXP[(LOG[a] as number) + (LOG[b] as number)] as number;
}

/** 2 to the power of n. */
export function power(n: number): number {
  return EXP[n % 255] as number;
}

/** So many codewords that make data with them divisible by the generator. */
export function correction(data: Uint8Array, count: number): Uint8Array {
  const generator = generatorOf(count);
  const rest = new Uint8Array(data.length + count);
  rest.set(data);
  for (let i = 0; i < data.length; i++) {
    const factor = rest[i] as number;
    generator.forEach((term, j) => {
      rest[i + j] = (rest[i + j] as number) ^ times(term, factor);
    });
  }
  return rest.slice(data.length);
}

/** (x - 1)(x - 2)(x - 4)…, the highest power first. */
function generatorOf(degree: number): number[] {
  let terms = [1];
  for (let n = 0; n < degree; n++) {
    const root = power(n);
    terms = [...terms, 0].map((term, i) => term ^ times(terms[i - 1] ?? 0, root));
  }
  return terms;
}
