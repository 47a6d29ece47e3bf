/**
 * Keeps equal values once: what comes from outside as many equal copies is stored as one object. It
 * remembers what it was asked for lately, in two generations, so that its own size is bounded and
 * what nobody asks for is let go.
 */

/** Values of one generation: several times the variety that is in use at one time. */
const GENERATION_SIZE = 4096;
/** Values that are found by identity: those of one task, which the next one has as well. */
const RECENT_SIZE = 4;

interface Recent {
  readonly purpose: string;
  readonly value: object;
  readonly result: object;
}

export class SharedValues {
  /** Asked for last; the place at `#nextRecent` is the oldest. */
  readonly #recent: Recent[] = [];
  #nextRecent = 0;
  readonly #values = new Generations();
  readonly #records = new Generations();

  /** An equal value that was seen before, or this one. Neither may be changed from here on. */
  share<Value extends object>(value: Value): Value {
    return this.#byIdentity("", value, () => {
      const key = JSON.stringify(value);
      // JSON shows all infinite numbers as null, which equal messages have nowhere else.
      return key.includes("null") ? value : this.memo(key, () => value);
    });
  }

  /**
   * What `make` gave the last time that it was called for an equal value and this purpose. Neither
   * value nor result may be changed from here on.
   */
  memoOf<Result extends object>(purpose: string, value: object, make: () => Result): Result {
    return this.#byIdentity(purpose, value, () =>
      this.memo(`${purpose}\n${JSON.stringify(value)}`, make),
    );
  }

  /** What `make` gave the last time that it was called for this key. The key says all that counts. */
  memo<Value extends object>(key: string, make: () => Value): Value {
    const known = this.#values.get(key);
    if (known !== undefined) return known as Value;
    const value = make();
    this.#values.set(key, value);
    return value;
  }

  /**
   * As `share`, for a record whose parts are shared already, so that comparing it takes no text: the
   * record that was asked for last under this key, when it is the same.
   */
  shareRecord<Value extends object>(
    key: string,
    record: Value,
    isSame: (left: Value, right: Value) => boolean,
  ): Value {
    const known = this.#records.get(key) as Value | undefined;
    if (known !== undefined && isSame(known, record)) return known;
    this.#records.set(key, record);
    return record;
  }

  #byIdentity<Result extends object>(purpose: string, value: object, find: () => Result): Result {
    for (const recent of this.#recent) {
      if (recent.value === value && recent.purpose === purpose) return recent.result as Result;
    }
    const result = find();
    this.#recent[this.#nextRecent] = { purpose, value, result };
    this.#nextRecent = (this.#nextRecent + 1) % RECENT_SIZE;
    return result;
  }
}

/** What was asked for lately, by key: all of the present generation and of the one before. */
class Generations {
  #young = new Map<string, object>();
  #old = new Map<string, object>();

  get(key: string): object | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: object): void {
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
