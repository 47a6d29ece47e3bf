/** What people are told while no master leads. */
import { describe, expect, test } from "bun:test";
import { type ElectionView, whyNoLeader } from "../../../src/election/core/why-no-leader.ts";

const view: ElectionView = {
  contact: { isConnected: true, forMs: 5000 },
  servers: [],
  leader: "10.0.0.1:5050",
  isRecovering: false,
};
const away = { isConnected: false, forMs: 754_000 };

describe("why no master leads", () => {
  test("nothing is said while one leads", () => {
    expect(whyNoLeader(view)).toEqual([]);
  });

  test("without ZooKeeper: since when, what each server says, and how many are enough", () => {
    const [why, remedy, meanwhile] = whyNoLeader({
      ...view,
      leader: undefined,
      contact: away,
      servers: [
        { address: "a:2181", state: "noQuorum" },
        { address: "b:2181", state: "away" },
        { address: "c:2181", state: "silent" },
      ],
    });
    expect(why).toBe(
      "ZooKeeper has not been reachable for 12m (a:2181 runs, but has no quorum; b:2181 cannot be connected to; c:2181 does not answer).",
    );
    expect(remedy).toContain("Bring 2 of these 3 up again");
    expect(meanwhile).toContain("running tasks go on");
  });

  test("a server alone, and one that serves again", () => {
    const alone = { ...view, contact: away, servers: [{ address: "a:1", state: "away" } as const] };
    expect(whyNoLeader(alone)[1]).toContain("Bring it up again");
    expect(whyNoLeader(alone)[2]).toBe("10.0.0.1:5050 led when it was last heard of.");
    const back = { ...alone, servers: [{ address: "a:1", state: "serving" } as const] };
    expect(whyNoLeader(back)[1]).toContain("comes back by itself");
  });

  test("nobody stands; somebody is elected and reads the registry yet", () => {
    expect(whyNoLeader({ ...view, leader: undefined })[0]).toContain("no master stands");
    expect(whyNoLeader({ ...view, isRecovering: true })[0]).toBe(
      "10.0.0.1:5050 is elected and still reads the registry.",
    );
  });
});
