// SPDX-License-Identifier: Apache-2.0
// The last few thousand ids, so that what arrives too late is told from what arrives too early.

/** A set that forgets its oldest members. */
export class RecentSet {
  private readonly members = new Set<string>();

  constructor(private readonly capacity: number) {}

  add(member: string): void {
    this.members.add(member);
    if (this.members.size <= this.capacity) return;
    for (const oldest of this.members) {
      this.members.delete(oldest);
      return;
    }
  }

  has(member: string): boolean {
    return this.members.has(member);
  }
}
