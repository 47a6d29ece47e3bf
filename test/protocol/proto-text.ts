/** The v1 schema as .proto files again, for tools that want it so. */
import messagesData from "../../src/protocol/v1/messages.json" with { type: "json" };

interface FieldData {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly label: string;
  readonly type_name?: string;
  readonly default?: string;
}

interface MessageData {
  readonly file: string;
  readonly map_entry?: boolean;
  readonly fields: readonly FieldData[];
}

interface FileData {
  readonly package: string;
  readonly syntax: string;
  readonly imports: readonly string[];
}

interface SchemaData {
  readonly files: Readonly<Record<string, FileData>>;
  readonly messages: Readonly<Record<string, MessageData>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const DATA = messagesData as unknown as SchemaData;

/** Path and text of each file. */
export function protoFiles(): (readonly [string, string])[] {
  return Object.keys(DATA.files).map((path) => [path, fileText(path)] as const);
}

/** A file whose message `Batch` has one list per named type: `f1` for the first, and so on. */
export function batchProto(names: readonly string[]): string {
  const imports = Object.keys(DATA.files).map((path) => `import "${path}";\n`);
  const fields = names.map((name, index) => `  repeated .${name} f${index + 1} = ${index + 1};\n`);
  return `syntax = "proto2";\n${imports.join("")}message Batch {\n${fields.join("")}}\n`;
}

function fileText(path: string): string {
  const file = DATA.files[path];
  if (file === undefined) throw new Error(`no file ${path}`);
  const own = Object.keys(DATA.messages).filter((name) => DATA.messages[name]?.file === path);
  const body = [
    `syntax = "${file.syntax}";`,
    `package ${file.package};`,
    ...file.imports.map((imported) => `import "${imported}";`),
    ...enumsIn(file.package),
    ...own.filter((name) => parentOf(name) === file.package).map(messageText),
  ];
  return `${body.join("\n")}\n`;
}

function messageText(name: string): string {
  const message = DATA.messages[name];
  if (message === undefined) throw new Error(`no message ${name}`);
  const nested = Object.keys(DATA.messages).filter(
    (other) => parentOf(other) === name && DATA.messages[other]?.map_entry !== true,
  );
  const isProto3 = DATA.files[message.file]?.syntax === "proto3";
  const body = [
    ...enumsIn(name),
    ...nested.map(messageText),
    ...message.fields.map((field) => fieldText(field, isProto3)),
  ];
  return `message ${lastPart(name)} {\n${body.join("\n")}\n}`;
}

function fieldText(field: FieldData, isProto3: boolean): string {
  const entry = field.type_name === undefined ? undefined : DATA.messages[field.type_name];
  if (entry?.map_entry === true) {
    const value = entry.fields[1];
    const type = value?.type_name === undefined ? value?.type : `.${value.type_name}`;
    return `map<string, ${type}> ${field.name} = ${field.number};`;
  }
  const label = isProto3 && field.label === "optional" ? "" : `${field.label} `;
  const type = field.type_name === undefined ? field.type : `.${field.type_name}`;
  return `${label}${type} ${field.name} = ${field.number}${defaultText(field)};`;
}

function defaultText(field: FieldData): string {
  if (field.default === undefined) return "";
  return field.type === "string"
    ? ` [default = "${field.default}"]`
    : ` [default = ${field.default}]`;
}

function enumsIn(scope: string): string[] {
  return Object.entries(DATA.enums)
    .filter(([name]) => parentOf(name) === scope)
    .map(([name, values]) => {
      const lines = Object.entries(values).map(([value, number]) => `${value} = ${number};`);
      return `enum ${lastPart(name)} {\n${lines.join("\n")}\n}`;
    });
}

function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
