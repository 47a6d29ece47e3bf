/** How a container is over, as the core is told. */
import type { Resource } from "../../protocol/v1/types.ts";

/** How a container's first process ended. */
type ContainerExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signaled"; readonly signal: number }
  /** Nobody saw the end (host rebooted, keeper killed). */
  /** `hasBegun` where it is known that its command ran. */
  | { readonly kind: "unknown"; readonly message: string; readonly hasBegun?: boolean };

/** A container ended or was ended by an isolator, which then says why. */
export interface ContainerTermination {
  readonly exit: ContainerExit;
  readonly limitation?:
    | {
        readonly reason:
          | "REASON_CONTAINER_LIMITATION"
          | "REASON_CONTAINER_LIMITATION_MEMORY"
          | "REASON_CONTAINER_LIMITATION_DISK";
        readonly message: string;
        readonly resources: readonly Resource[];
      }
    | undefined;
}
