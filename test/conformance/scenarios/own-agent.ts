/** A cluster of a scenario's own, and one task on it. */
import type { Status, TestFramework } from "../../harness/test-framework.ts";
import { accept, launchOf, task } from "../requests.ts";
import type { Scene, SceneAgent } from "../scene.ts";

/** Launches one task with these changes on the next offer. */
export async function launch(framework: TestFramework, id: string, changes: object): Promise<void> {
  const offer = await framework.offer();
  await accept(framework, [offer], [launchOf({ ...task(offer, id), ...changes })]);
}

export const isOver = ({ state }: Status): boolean => /FINISHED|FAILED|KILLED|ERROR/.test(state);

export interface Own {
  readonly master: string;
  readonly agent: SceneAgent;
  readonly framework: TestFramework;
}

/** A master with one agent of its own, started with these flags. */
export async function own(scene: Scene, ...flags: string[]): Promise<Own> {
  const master = await scene.startMaster();
  const agent = await scene.startAgent(master, { flags });
  const framework = await scene.subscribe({ master: master.url, info: { roles: ["own"] } });
  return { master: master.url, agent, framework };
}
