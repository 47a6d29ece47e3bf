/** The isolator `cgroups/blkio`: what a container reads and writes, by device. Source: semantics 7.12. */
import type { ContainerId } from "../../base/ids.ts";
import type { CgroupInfoBlkioValue, ResourceStatistics } from "../../protocol/v1/types.ts";
import type { Preparation } from "../containerizer.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { type DeviceLine, deviceLines } from "./flat-file.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export class IoIsolator extends IsolatorBase {
  readonly name = "cgroups/blkio";
  readonly #cgroups: CgroupTree;

  constructor(cgroups: CgroupTree) {
    super();
    this.#cgroups = cgroups;
  }

  prepare(): Promise<Preparation> {
    return Promise.resolve(NO_PREPARATION);
  }

  override usage(containerId: ContainerId): Promise<Partial<ResourceStatistics>> {
    const devices = deviceLines(this.#cgroups.read(containerId, "io.stat"));
    if (devices.length === 0) return Promise.resolve({});
    const throttling = devices.map((line) => ({
      device: { major_number: line.major, minor_number: line.minor },
      io_serviced: values(line, "rios", "wios", "dios"),
      io_service_bytes: values(line, "rbytes", "wbytes", "dbytes"),
    }));
    return Promise.resolve({ blkio_statistics: { throttling } });
  }
}

function values(
  { figures }: DeviceLine,
  read: string,
  write: string,
  discard: string,
): CgroupInfoBlkioValue[] {
  return [
    { op: "READ", value: figures.get(read) ?? 0 },
    { op: "WRITE", value: figures.get(write) ?? 0 },
    { op: "DISCARD", value: figures.get(discard) ?? 0 },
  ];
}
