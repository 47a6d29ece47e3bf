/**
 * From the flat names of Mesos to families with labels: what is part of a name there (a framework,
 * a role, a state) is a label here, times are in seconds, counters end in `_total`. Sums over such
 * names are left out, because Prometheus adds up labels itself.
 */
import type { Family, Sample } from "./family.ts";

type Groups = Readonly<Record<string, string>>;

interface Rule {
  readonly pattern: RegExp;
  /** Undefined: not told. `$name` stands for a group of the pattern, which is no label then. */
  readonly family?: string;
  readonly help?: string;
  readonly isCounter?: boolean;
  readonly scale?: number;
  readonly labels?: (groups: Groups) => Readonly<Record<string, string>>;
}

const FRAMEWORK = "^master/frameworks/(?<framework>[^/]+)/(?<framework_id>[^/]+)";
const ENDED = "finished|failed|error|dropped|gone_by_operator|killed|lost|gone";

/** The first rule that fits counts. These are apart because there may be very many of them. */
const FRAMEWORK_RULES: readonly Rule[] = [
  {
    pattern: new RegExp(`${FRAMEWORK}/calls/(?<type>.+)$`),
    family: "allot_framework_calls_total",
    help: "Calls of a framework",
    isCounter: true,
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/events/(?<type>.+)$`),
    family: "allot_framework_events_total",
    help: "Events sent to a framework",
    isCounter: true,
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/operations/(?<type>.+)$`),
    family: "allot_framework_operations_total",
    help: "Operations a framework asked for",
    isCounter: true,
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/offers/(?<outcome>.+)$`),
    family: "allot_framework_offers_total",
    help: "Offers by what became of them",
    isCounter: true,
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/tasks/active/task_(?<state>.+)$`),
    family: "allot_framework_tasks",
    help: "Tasks of a framework that are not over",
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/tasks/terminal/task_(?<state>.+)$`),
    family: "allot_framework_tasks_ended_total",
    help: "Tasks of a framework that are over",
    isCounter: true,
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/roles/(?<role>.+)/suppressed$`),
    family: "allot_framework_suppressed",
    help: "1 where a framework wants no offers for a role",
  },
  {
    pattern: new RegExp(`${FRAMEWORK}/subscribed$`),
    family: "allot_framework_subscribed",
    help: "1 while a framework is connected",
  },
  { pattern: new RegExp(`${FRAMEWORK}/(?:calls|events|operations)$`) },
];

/** All other names. */
const RULES: readonly Rule[] = [
  { pattern: /^master\/operations\/[a-z_]+$/ },
  { pattern: /^master\/operations\/[a-z_]+\/total$/ },
  { pattern: /^allocator\/mesos\/event_queue_dispatches$/ },
  { pattern: /_ms\/(?:count|min|max)$/ },
  {
    pattern: /^frameworks\/(?<principal>[^/]+)\/messages_(?<name>received|processed)$/,
    family: "allot_principal_messages_$name_total",
    help: "Calls of the frameworks of a principal",
    isCounter: true,
  },
  {
    pattern: /^master\/task_(?<state>[a-z_]+)\/source_(?<source>[a-z_]+)\/reason_(?<reason>.+)$/,
    family: "allot_master_task_reasons_total",
    help: "Why tasks ended, and who says so",
    isCounter: true,
  },
  {
    pattern: new RegExp(`^master/operations/(?<type>[a-z_]+)/(?<state>${ENDED})$`),
    family: "allot_master_operations_ended_total",
    help: "Operations that are over",
    isCounter: true,
  },
  {
    pattern: /^master\/operations\/(?<type>[a-z_]+)\/(?<state>[a-z_]+)$/,
    family: "allot_master_operations",
    help: "Operations that are not over",
  },
  {
    pattern: new RegExp(`^(?<name>master|slave)/tasks_(?<state>${ENDED})$`),
    family: "allot_$name_tasks_ended_total",
    help: "Tasks that are over",
    isCounter: true,
  },
  {
    pattern: /^(?<name>master|slave)\/tasks_(?<state>[a-z_]+)$/,
    family: "allot_$name_tasks",
    help: "Tasks that are not over",
  },
  {
    pattern:
      /^(?<name>master|slave)\/(?<resource>cpus|gpus|mem|disk)(?<isRevocable>_revocable)?_(?<what>total|used|percent)$/,
    family: "allot_$name_resources",
    help: "What agents have, what is used of it, and that as a part of 1 (percent)",
    labels: ({ resource = "", isRevocable, what = "" }) => ({
      resource,
      what,
      revocable: String(isRevocable !== undefined),
    }),
  },
  {
    pattern: /^allocator\/mesos\/resources\/(?<resource>[^/]+)\/(?<what>[^/]+)$/,
    family: "allot_allocator_resources",
    help: "What the allocator knows of",
  },
  {
    pattern:
      /^allocator\/mesos\/quota\/roles\/(?<role>.+)\/resources\/(?<resource>[^/]+)\/(?<what>[^/]+)$/,
    family: "allot_allocator_quota",
    help: "Guarantees and limits of roles, and what they have of it",
  },
  {
    pattern: /^allocator\/mesos\/offer_filters\/roles\/(?<role>.+)\/active$/,
    family: "allot_allocator_offer_filters",
    help: "Refusals that hold back offers",
  },
  {
    pattern: /^allocator\/mesos\/roles\/(?<role>.+)\/shares\/dominant$/,
    family: "allot_allocator_dominant_share",
    help: "Dominant share of a role",
  },
  {
    pattern: /^(?<name>.+)_ms\/p(?<quantile>\d+)$/,
    family: "allot_$name_seconds",
    help: "Time over the last runs",
    scale: 0.001,
    labels: ({ quantile = "" }) => ({ quantile: String(Number(`0.${quantile}`)) }),
  },
  {
    pattern: /^(?<name>.+)_ms$/,
    family: "allot_$name_last_seconds",
    help: "Time of the last run",
    scale: 0.001,
  },
  { pattern: /^(?<name>.+)_secs$/, family: "allot_$name_seconds" },
  { pattern: /^(?<name>.+\/event_queue_.+|.+_pending)$/, family: "allot_$name" },
  { pattern: /^system\/cpus_total$/, family: "allot_system_cpus" },
  {
    pattern:
      /^(?<name>(?:master|slave|gc|containerizer)\/.*(?:messages|messages_.*|updates|acknowledgements|valid_.*|slave_.*|registrations|removals.*|hits|runs|errors|terminated|preempted|succeeded|failed)|allocator\/mesos\/allocation_runs)$/,
    family: "allot_$name_total",
    isCounter: true,
  },
  { pattern: /^(?<name>.+)$/, family: "allot_$name" },
];

/** Names in the order in which they first come. What a name has of a framework is decoded. */
export function toFamilies(snapshot: Readonly<Record<string, number>>): Family[] {
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  for (const [name, value] of Object.entries(snapshot)) {
    const found = ruleFor(name);
    if (found?.rule.family === undefined) continue;
    const { rule, groups } = found;
    const family = familyName(rule.family ?? "", groups["name"]);
    const help = rule.help ?? `The metric ${name} of Mesos`;
    const type = rule.isCounter ? "counter" : "gauge";
    const known = families.get(family) ?? { name: family, help, type, samples: [] as Sample[] };
    families.set(family, known);
    const labels = rule.labels?.(groups) ?? plainLabels(groups);
    known.samples.push({ labels, value: value * (rule.scale ?? 1) });
  }
  return [...families.values()];
}

function ruleFor(name: string): { readonly rule: Rule; readonly groups: Groups } | undefined {
  const rules = name.startsWith("master/frameworks/") ? FRAMEWORK_RULES : RULES;
  for (const rule of rules) {
    const match = rule.pattern.exec(name);
    if (match !== null) return { rule, groups: (match.groups ?? {}) as Groups };
  }
  return undefined;
}

/** `slave` is Mesos' old word for agent; a part that Mesos puts into every name says nothing here. */
function familyName(template: string, name: string | undefined): string {
  const words = (name ?? "")
    .replace(/^allocator\/mesos\//, "allocator/")
    .replace(/slave/g, "agent")
    .replace(/[^a-zA-Z0-9_]/g, "_");
  return template.replace("$name", words);
}

function plainLabels(groups: Groups): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(groups)) {
    if (name === "name" || value === undefined) continue;
    labels[name] = name === "framework" || name === "principal" ? decoded(value) : value;
  }
  return labels;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
