/**
 * What an ACCEPT has to spend: everything its offers held, less what its operations took so far.
 * All bundles are in allocated form. Source: semantics 4.8 rules 3 and 4.
 */
import type { Bundle } from "../../resources/bundle.ts";
import type { ResourceKind, ResourceKinds } from "../../resources/kinds.ts";
import { emptyBundle } from "./resource-forms.ts";

/** What nobody took, by how it returns to the allocator. */
export interface Leftovers {
  /** As it was offered: refused like a declined offer. */
  readonly untouched: Bundle;
  /** Made by the call: whoever made it is to be offered it at once. */
  readonly converted: Bundle;
}

export class OfferPool {
  /** Spendable now. */
  readonly remaining: Bundle;
  readonly #kinds: ResourceKinds;
  readonly #offered: Bundle;
  /** Made by the call, but not for its later operations. */
  readonly #kept: Bundle;
  /** What conversions came to; all else is left as it was offered, or less of it. */
  readonly #made = new Set<ResourceKind>();
  /** Shared volumes on the table; any number of tasks of the call may use each. */
  readonly #shared = new Set<ResourceKind>();

  constructor(kinds: ResourceKinds, offers: readonly Bundle[]) {
    this.#kinds = kinds;
    this.remaining = emptyBundle(kinds);
    for (const resources of offers) this.remaining.add(resources);
    this.#offered = this.remaining.clone();
    this.#kept = emptyBundle(kinds);
    this.#noteShared(this.remaining);
  }

  /** True when each part could be taken, one after the other. */
  covers(parts: readonly Bundle[]): boolean {
    const left = this.remaining.clone();
    for (const part of parts) {
      for (const kind of part.presentKinds()) {
        if (kind.isShared && !this.#shared.has(kind)) return false;
      }
      const firm = part.filter((kind) => !kind.isShared);
      if (!left.contains(firm)) return false;
      left.subtract(firm);
    }
    return true;
  }

  /**
   * Spends what must be covered. Returns the copies of shared volumes beyond those offered, which
   * the allocator does not know to be in use yet.
   */
  take(needed: Bundle): Bundle {
    const extra = emptyBundle(this.#kinds);
    this.remaining.subtract(needed.filter((kind) => !kind.isShared));
    for (const wanted of kindByKind(needed.filter((kind) => kind.isShared))) {
      if (this.remaining.contains(wanted)) this.remaining.subtract(wanted);
      else extra.add(this.#takeWhatIsThere(wanted));
    }
    return extra;
  }

  /** Takes what there is of the shared volumes in `consumed` beyond it, and returns that. */
  takeOtherCopies(consumed: Bundle): Bundle {
    const shared = consumed.filter((kind) => kind.isShared);
    const kinds = new Set(shared.presentKinds());
    const others = this.remaining.filter((kind) => kinds.has(kind));
    others.subtract(shared);
    this.remaining.subtract(others);
    return others;
  }

  /** Replaces `consumed` by `converted`; with `isKept` later operations cannot have the latter. */
  convert(consumed: Bundle, converted: Bundle, { isKept }: { readonly isKept: boolean }): void {
    this.remaining.subtract(consumed);
    (isKept ? this.#kept : this.remaining).add(converted);
    if (!isKept) for (const kind of converted.presentKinds()) this.#made.add(kind);
    for (const kind of consumed.presentKinds()) this.#shared.delete(kind);
    this.#noteShared(isKept ? this.#kept : converted);
  }

  leftovers(): Leftovers {
    const isMade = (kind: ResourceKind): boolean => this.#made.has(kind);
    // Of what the call has not made there is no more than was offered.
    const untouched = this.remaining.filter((kind) => !isMade(kind));
    const converted = this.#kept.clone();
    const allOffered = this.#offered.filter(isMade);
    for (const left of kindByKind(this.remaining.filter(isMade))) {
      const [kind] = left.presentKinds();
      const offered = allOffered.filter((other) => other === kind);
      if (offered.contains(left)) untouched.add(left);
      else if (left.contains(offered)) {
        untouched.add(offered);
        left.subtract(offered);
        converted.add(left);
      } else converted.add(left);
    }
    return { untouched, converted };
  }

  /** Takes the copies that are left of one shared volume and returns those that are missing. */
  #takeWhatIsThere(wanted: Bundle): Bundle {
    const [kind] = wanted.presentKinds();
    const left = this.remaining.filter((other) => other === kind);
    this.remaining.subtract(left);
    const missing = wanted.clone();
    missing.subtract(left);
    return missing;
  }

  #noteShared(bundle: Bundle): void {
    for (const kind of bundle.presentKinds()) if (kind.isShared) this.#shared.add(kind);
  }
}

function kindByKind(bundle: Bundle): Bundle[] {
  return [...bundle.presentKinds()].map((kind) => bundle.filter((other) => other === kind));
}
