/** Scalars in thousandths, the precision to which Mesos compares them. Source: semantics 2.11. */

/** Thousandths of a scalar value, rounded to the nearest. */
export function toMilli(value: number): number {
  return Math.round(value * 1000);
}

/** The scalar value of thousandths. */
export function fromMilli(milli: number): number {
  return milli / 1000;
}
