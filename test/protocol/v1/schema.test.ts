/** The compiled schema. */
import { describe, expect, test } from "bun:test";
import { Schema } from "../../../src/protocol/v1/schema.ts";

describe("Schema", () => {
  test("types are compiled once and may refer to themselves [http-api 3.2]", () => {
    const schema = new Schema();
    const type = schema.messageType("mesos.v1.ContainerID");
    expect(schema.messageType("mesos.v1.ContainerID")).toBe(type);
    expect(type.fieldOfNumber[2]?.message).toBe(type);
    expect(type.shortName).toBe("ContainerID");
  });

  test("deprecated defaults are not filled in [http-api 3.2]", () => {
    const type = new Schema().messageType("mesos.v1.FrameworkInfo");
    expect(type.filledFields.map((field) => [field.name, field.fill])).toEqual([
      ["failover_timeout", 0],
      ["checkpoint", false],
    ]);
  });

  test("every name compiles; other names are a broken invariant", () => {
    const schema = new Schema();
    for (const name of schema.messageNames()) {
      const type = schema.messageType(name);
      expect(type.fieldsByNumber.length).toBe(type.fields.length);
    }
    for (const name of ["mesos.v1.Nope", "toString", "__proto__", ""]) {
      expect(() => schema.messageType(name)).toThrow("there is no message named");
    }
  });
});
