// SPDX-License-Identifier: Apache-2.0
// Doing something again whose failure says nothing about it, such as the loss of the process that
// did it.

/** How often the same is tried, unless somebody says otherwise. */
export const MOST_ATTEMPTS = 4;

export interface RetryOptions {
  /** Whether the error that ended an attempt allows another. */
  mayRetry(error: unknown): boolean;
  /** Hears that another attempt begins, the `attempt`th having failed. */
  retrying?(error: unknown, attempt: number): void;
  /** @default {@link MOST_ATTEMPTS} */
  mostAttempts?: number;
}

/** Resolves with what the first attempt gives that succeeds; rejects with the last one's error. */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { mostAttempts = MOST_ATTEMPTS } = options;
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (count >= mostAttempts || !options.mayRetry(error)) throw error;
      options.retrying?.(error, count);
    }
  }
}
