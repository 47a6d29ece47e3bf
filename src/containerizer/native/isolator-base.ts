/** An isolator that does nothing: what each real one changes is what it is about. */
import type { ContainerId } from "../../base/ids.ts";
import type { ContainerStatus } from "../../protocol/v1/types.ts";
import type { ContainerUsage, Isolator, Preparation } from "../containerizer.ts";

export const NO_PREPARATION: Preparation = { environment: {} };

export abstract class IsolatorBase implements Isolator {
  abstract readonly name: string;

  abstract prepare(...args: Parameters<Isolator["prepare"]>): Promise<Preparation>;

  isolate(..._args: Parameters<Isolator["isolate"]>): Promise<void> {
    return Promise.resolve();
  }

  usage(_containerId: ContainerId): Promise<Partial<ContainerUsage>> {
    return Promise.resolve({});
  }

  update(..._args: Parameters<Isolator["update"]>): Promise<void> {
    return Promise.resolve();
  }

  recover(..._args: Parameters<Isolator["recover"]>): Promise<void> {
    return Promise.resolve();
  }

  cleanup(_containerId: ContainerId): Promise<void> {
    return Promise.resolve();
  }

  watch(..._args: Parameters<Isolator["watch"]>): () => void {
    return () => undefined;
  }

  statusOf(_containerId: ContainerId): ContainerStatus {
    return {};
  }

  close(): void {
    // Most hold nothing.
  }
}
