/** How a server finds the leading master: the real elector on a session of its own. */
import { Elector } from "../../../src/election/zookeeper/elector.ts";
import { masterOf } from "../../../src/roles/master-info.ts";
import type { World } from "../world.ts";
import { codec, MASTERS_PATH, SESSION_TIMEOUT_MS } from "./member.ts";
import { Program } from "./program.ts";
import { SimClient } from "./sim-client.ts";
import type { SimZooKeeper } from "./sim-zookeeper.ts";

export class Detector {
  readonly program: Program;
  /** Port of the leader, as far as is known. */
  port: number | undefined;
  onChange: () => void = () => undefined;

  constructor(world: World, zookeeper: SimZooKeeper, host: string) {
    const program = new Program(world, host);
    this.program = program;
    const elector = new Elector({
      url: {
        servers: zookeeper.servers.map(({ name }) => name),
        path: MASTERS_PATH,
        credentials: undefined,
      },
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      clock: program.clock,
      rng: program.rng,
      log: { write: () => undefined },
      openClient: (options) => new SimClient(world, zookeeper, program, options),
      onLeader: (leader) => {
        this.port = leader && masterOf(codec, leader.data)?.port;
        this.onChange();
      },
    });
    program.enter(() => elector.start());
  }
}
