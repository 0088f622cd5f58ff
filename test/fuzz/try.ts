import { checkPrograms, ORACLES } from './run.ts';
const ps = JSON.parse(process.argv[3]!);
try { await checkPrograms(ps, ORACLES[process.argv[2] as 'node']); console.log('fine'); } catch (e) { console.log((e as Error).message, ((e as Error).cause as Error)?.stack?.slice(0,1500)); }
process.exit(0);
