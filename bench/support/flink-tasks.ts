// SPDX-License-Identifier: Apache-2.0
// What each task of a job did, by Flink's REST.

interface Vertex {
  readonly id: string;
  readonly name: string;
}

interface Subtask {
  readonly subtask: number;
  readonly metrics: Readonly<Record<'read-records' | 'write-records', number>>;
}

/** A step of a job as Flink executes it, and the elements that each of its tasks took and gave. */
export interface Step {
  readonly name: string;
  readonly read: readonly number[];
  readonly written: readonly number[];
}

/** The steps of the latest job of a name. */
export async function stepsOf(address: string, jobName: string): Promise<Step[]> {
  const get = async (path: string): Promise<unknown> =>
    (await fetch(`http://${address}${path}`)).json();
  const { jobs } = (await get('/jobs/overview')) as { jobs: { jid: string; name: string }[] };
  const job = jobs.find(({ name }) => name.startsWith(jobName));
  if (!job) throw new Error(`Flink knows no job ${jobName}`);
  const { vertices } = (await get(`/jobs/${job.jid}`)) as { vertices: Vertex[] };
  return Promise.all(
    vertices.map(async ({ id, name }) => {
      const { subtasks } = (await get(`/jobs/${job.jid}/vertices/${id}`)) as {
        subtasks: Subtask[];
      };
      return {
        name,
        read: subtasks.map(({ metrics }) => metrics['read-records']),
        written: subtasks.map(({ metrics }) => metrics['write-records']),
      };
    }),
  );
}

/** How many rows each task of a job gave, in the step that gave most: packed rows count once they are unpacked. */
export async function rowsPerTask(address: string, jobName: string): Promise<readonly number[]> {
  const steps = await stepsOf(address, jobName);
  const sum = (all: readonly number[]) => all.reduce((sum, each) => sum + each, 0);
  return steps.map(({ written }) => written).reduce((a, b) => (sum(b) > sum(a) ? b : a));
}
