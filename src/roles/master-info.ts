/** What a master tells of itself where others look for it, read and named. */
import type { Codec } from "../protocol/codec.ts";
import type { NamedMaster } from "../protocol/leader-report.ts";
import type { MasterInfo } from "../protocol/v1/types.ts";

/** What stands in a candidate's node; undefined when it cannot be read. */
export function masterOf(codec: Codec, data: Uint8Array): MasterInfo | undefined {
  const parsed = codec.decode("mesos.v1.MasterInfo", "application/json", data);
  return parsed.ok ? parsed.value : undefined;
}

/** Where a master is reached: by its address, since names need not be known everywhere. */
export function addressOf({ address, hostname, port }: MasterInfo): string {
  return `${address?.ip ?? hostname ?? ""}:${address?.port ?? port}`;
}

export function namedMaster(info: MasterInfo): NamedMaster {
  return { id: info.id, address: addressOf(info), hostname: info.hostname ?? "" };
}
