/**
 * Keeps equal values once: what comes from outside as many equal copies is stored as one object. It
 * remembers what it was asked for lately, in two generations, so that its own size is bounded and
 * what nobody asks for is let go.
 */

/** Values of one generation: several times the variety that is in use at one time. */
const GENERATION_SIZE = 4096;

export class SharedValues {
  #young = new Map<string, object>();
  #old = new Map<string, object>();

  /** An equal value that was seen before, or this one. Neither may be changed from here on. */
  share<Value extends object>(value: Value): Value {
    const key = JSON.stringify(value);
    // JSON shows all infinite numbers as null, which equal messages have nowhere else.
    return key.includes("null") ? value : this.memo(key, () => value);
  }

  /** What `make` gave the last time that it was called for this key. The key says all that counts. */
  memo<Value extends object>(key: string, make: () => Value): Value {
    const young = this.#young.get(key);
    if (young !== undefined) return young as Value;
    const value = this.#old.get(key) ?? make();
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    return value as Value;
  }
}
