import type { Campaign } from "../campaign.js";
import { fileCampaign } from "./files.js";
import { givenCampaign } from "./given.js";
import { graphCampaign } from "./graphs.js";
import { messageCampaign } from "./messages.js";
import { opCampaign } from "./ops.js";
import { plantedCampaign } from "./planted.js";

const CAMPAIGNS: Readonly<Record<string, () => Campaign<unknown> | Promise<Campaign<unknown>>>> = {
  graphs: graphCampaign,
  ops: opCampaign,
  files: fileCampaign,
  messages: messageCampaign,
  given: givenCampaign,
  planted: plantedCampaign,
};

/** Opens a campaign in this process. */
export async function openCampaign(name: string): Promise<Campaign<unknown>> {
  const open = CAMPAIGNS[name];
  if (open === undefined) throw new Error(`there is no campaign "${name}"`);
  return await open();
}
