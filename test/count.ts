// How often a test does what it does many times. `npm test` is to be quick; `npm run test:long` runs each file that
// asks here as well, with the full number.

const isLong = process.env.FLEXIM_TESTS === 'long';

export const count = (few: number, many: number): number => (isLong ? many : few);
