/** A small seeded source of chance for fuzzing, where a failure has to be replayed exactly. */

export interface Random {
  /** A whole number in [0, bound). */
  integer(bound: number): number;
}

/** A multiply-xorshift counter generator; good enough to shuffle test inputs. */
export function seededRandom(seed: number): Random {
  let counter = seed >>> 0;
  return {
    integer(bound) {
      counter = (counter + 0x9e3779b9) >>> 0;
      let mixed = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      return Math.floor((((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32) * bound);
    },
  };
}
