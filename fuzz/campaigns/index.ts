import type { Campaign } from "../campaign.js";

/** Each loads what it needs alone: processes begin often. */
const CAMPAIGNS: Readonly<Record<string, () => Promise<Campaign<unknown>>>> = {
  graphs: async () => (await import("./graphs.js")).graphCampaign(),
  ops: async () => (await import("./ops.js")).opCampaign(),
  files: async () => (await import("./files.js")).fileCampaign(),
  messages: async () => (await import("./messages.js")).messageCampaign(),
  given: async () => (await import("./given.js")).givenCampaign(),
  planted: async () => (await import("./planted.js")).plantedCampaign(),
};

/** Opens a campaign in this process. */
export async function openCampaign(name: string): Promise<Campaign<unknown>> {
  const open = CAMPAIGNS[name];
  if (open === undefined) throw new Error(`there is no campaign "${name}"`);
  return await open();
}
