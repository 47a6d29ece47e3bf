/** Reads what a Docker Engine answered: a path that is not there, or another type, is undefined. */
export class Answer {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  at(...keys: readonly string[]): Answer {
    let value = this.#value;
    for (const key of keys) value = recordOf(value)?.[key];
    return new Answer(value);
  }

  text(): string | undefined {
    return typeof this.#value === "string" ? this.#value : undefined;
  }

  number(): number | undefined {
    return typeof this.#value === "number" ? this.#value : undefined;
  }

  isTrue(): boolean {
    return this.#value === true;
  }

  /** Empty for what is no list; the Engine writes null for an empty one. */
  list(): readonly Answer[] {
    return Array.isArray(this.#value) ? this.#value.map((value) => new Answer(value)) : [];
  }

  entries(): readonly (readonly [string, Answer])[] {
    const pairs = Object.entries(recordOf(this.#value) ?? {});
    return pairs.map(([key, value]) => [key, new Answer(value)]);
  }

  /** The answer as it came. */
  toJson(): string {
    return JSON.stringify(this.#value) ?? "null";
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}
