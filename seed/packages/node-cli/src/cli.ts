#!/usr/bin/env node
import { Command } from "commander";
import { loadConfig } from "./config.js";
import { carryOut, plan } from "./run.js";

const program = new Command("{{ package }}").description("{{ short }}").version("{{ version }}");

program
  .command("run")
  .option("-c, --config <file>", "configuration", "{{ package }}.json")
  .option("--dry-run", "say what would be done, and do nothing")
  .action(async (options: { config: string; dryRun?: boolean }) => {
    const config = await loadConfig(options.config);
    const { steps, problems } = await plan(config);
    problems.forEach((problem) => console.error(problem));
    steps.forEach((step) => console.log(`${step.file}: ready`));
    if (options.dryRun || problems.length > 0) {
      process.exitCode = problems.length > 0 ? 1 : 0;
      return;
    }
    const failures = await carryOut(steps, async (item) => console.log(JSON.stringify(item)), config.pauseSeconds);
    failures.forEach((failure) => console.error(failure));
    process.exitCode = failures.length > 0 ? 1 : 0;
  });

await program.parseAsync();
