/** What tests of the Docker containerizer share: an Engine, containerizers on it, and short specs. */
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import {
  DockerContainerizer,
  type DockerContainerizerOptions,
} from "../../../src/containerizer/docker/docker-containerizer.ts";
import { systemClock } from "../../../src/platform/system.ts";
import type {
  CommandInfo,
  ContainerInfo,
  ContainerInfoDockerInfo,
} from "../../../src/protocol/v1/types.ts";
import { BUSYBOX, type DockerEngine, docker } from "../../harness/docker-engine.ts";
import { newRoot, removeRoots, silentLog } from "../containers.ts";

/** A root with a containerizer of one agent. */
export interface Agent {
  readonly root: string;
  readonly containerizer: DockerContainerizer;
}

export class DockerScene {
  readonly #engine: DockerEngine | undefined;
  readonly #opened: DockerContainerizer[] = [];
  #count = 0;

  /** Undefined where the tests are skipped. */
  constructor(engine: DockerEngine | undefined) {
    this.#engine = engine;
  }

  get engine(): DockerEngine {
    if (this.#engine === undefined) throw new Error("there is no Docker Engine here");
    return this.#engine;
  }

  /** `root` is an earlier agent's, for one that is started again. */
  open(more: Partial<DockerContainerizerOptions> = {}, root: string = newRoot()): Agent {
    const containerizer = new DockerContainerizer({
      workDir: join(root, "work"),
      runtimeDir: join(root, "run"),
      clock: systemClock,
      log: silentLog,
      socketPath: this.engine.socketPath,
      sandboxPath: "/mnt/mesos/sandbox",
      removeDelayMs: 0,
      areOrphansKilled: true,
      isCfsEnabled: false,
      logBounds: { maxBytes: { stdout: undefined, stderr: undefined }, files: 3 },
      ...more,
    });
    this.#opened.push(containerizer);
    return { root, containerizer };
  }

  /** A spec of a shell command (text) or of any other; its sandbox has a colon in its path. */
  spec(
    { root }: Pick<Agent, "root">,
    command: string | CommandInfo,
    more: Partial<ContainerSpec> = {},
    info: Partial<Omit<ContainerInfo, "docker">> & {
      docker?: Partial<ContainerInfoDockerInfo>;
    } = {},
  ): ContainerSpec {
    this.#count += 1;
    const name = `c${process.pid}-${this.#count}`;
    return {
      containerId: brand(name),
      command: typeof command === "string" ? { value: command } : command,
      environment: {},
      directory: join(root, "work", "sandboxes", `a:b-${name}`),
      user: undefined,
      resources: [],
      ...more,
      container: {
        type: "DOCKER",
        ...info,
        docker: { image: BUSYBOX, network: "NONE", ...info.docker },
      },
    };
  }

  /** Docker's own list of a spec's containers, running or not. */
  containersOf({ containerId }: ContainerSpec): Promise<string> {
    const name = `name=^/mesos-${containerId}$`;
    return docker(this.engine.socketPath, "ps", "-aq", "--filter", name);
  }

  /** Closes all containerizers and removes every container and folder of the test. */
  async clear(): Promise<void> {
    for (const containerizer of this.#opened.splice(0)) await containerizer.close();
    const filter = `name=^/mesos-c${process.pid}-`;
    const ids = await docker(this.engine.socketPath, "ps", "-aq", "--filter", filter);
    for (const id of ids.split("\n").filter((line) => line !== "")) {
      await docker(this.engine.socketPath, "rm", "-fv", id);
    }
    removeRoots();
  }
}
