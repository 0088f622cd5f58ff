// SPDX-License-Identifier: Apache-2.0
// An object of Cloud Storage in pieces: a resumable upload, which appears with the piece that is said to be the last.

import { isPassing, MOST_ATTEMPTS, pauseBehind } from '../objects/again.ts';
import type { Before, ObjectReader, Upload } from '../objects/client.ts';
import { Unsettled } from '../objects/failures.ts';
import { type Outcome, settle } from '../objects/outcome.ts';
import { type GsAnswer, GsRefusal, type GsService, refusalOf, said } from './service.ts';

/** Of which all pieces but the last are a multiple, in bytes. */
const GRAIN = 256 * 1024;
/** "Resume incomplete": the bytes so far are there. */
const INCOMPLETE = 308;
/** That an emulator gives none up. */
const CANNOT = 501;
/** That an upload is given up (499), or was. */
const GIVEN_UP = new Set([404, 410, 499, CANNOT]);

export class ResumableUpload implements Upload {
  private session: string | undefined;
  /** How many bytes the service has. */
  private kept = 0;
  /** What does not fill a grain yet. */
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly service: GsService,
    private readonly look: ObjectReader['look'],
    private readonly bucket: string,
    private readonly key: string,
  ) {}

  async begin(): Promise<void> {
    const path = `/upload/storage/v1/b/${encodeURIComponent(this.bucket)}/o`;
    const url = this.service.urlOf(path, { uploadType: 'resumable', name: this.key });
    const { headers } = await this.service.repeat(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{}'),
    });
    if (headers.location === undefined)
      throw new GsRefusal(502, 'the service began an upload and did not say where');
    this.session = headers.location;
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.session === undefined) await this.begin();
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const whole = all.length - (all.length % GRAIN);
    if (whole > 0) await this.put(all.subarray(0, whole), undefined);
    // Not a view of a piece, which would be kept with it.
    this.rest = Buffer.from(all.subarray(whole));
  }

  async finish(before: Before): Promise<void> {
    if (this.session === undefined) await this.begin();
    const total = this.kept + this.rest.length;
    try {
      await this.put(this.rest, total);
    } catch (error) {
      await settle(error, () => this.outcome(before, total));
    }
    this.session = undefined;
  }

  private async outcome(before: Before, total: number): Promise<Outcome> {
    if (await this.isOurs(before, total)) return 'there';
    // Behind this what was sent cannot become an object.
    if (this.session !== undefined && (await this.givenUp(this.session)).status === CANNOT)
      return 'open';
    this.session = undefined;
    return (await this.isOurs(before, total)) ? 'there' : 'over';
  }

  private async isOurs(before: Before, total: number): Promise<boolean> {
    const found = await this.look(this.bucket, this.key);
    if (before === 'unknown' || found?.size !== total) return false;
    return before === 'nothing' || before.version !== found.version;
  }

  /**
   * Sends bytes behind those that the service has.
   *
   * @param total - of all bytes, with the last of them
   */
  private async put(bytes: Buffer, total: number | undefined): Promise<void> {
    const start = this.kept;
    const end = start + bytes.length;
    let at = start;
    /** After an attempt that came to no end the service is asked how far it came. */
    let isKnown = true;
    for (let attempt = 1; ; attempt++) {
      try {
        const sent = isKnown ? bytes.subarray(at - start) : undefined;
        const kept = this.keptBy(await this.ask(sent, at, total), total);
        if (kept === 'all') break;
        if (kept < start || kept > end)
          throw new Error(`the service has ${kept} bytes, which are to be ${start} to ${end}`);
        if (kept === end && total === undefined) break;
        if (kept > at) attempt = 0;
        else if (attempt >= MOST_ATTEMPTS) throw new GsRefusal(503, 'the service takes no bytes');
        at = kept;
        isKnown = true;
      } catch (error) {
        if (attempt >= MOST_ATTEMPTS || !isPassing(error)) throw error;
        isKnown = false;
        await pauseBehind(attempt);
      }
    }
    this.kept = end;
  }

  /** Sends bytes, or asks how many there are. */
  private ask(bytes: Buffer | undefined, at: number, total: number | undefined): Promise<GsAnswer> {
    const range =
      bytes === undefined || bytes.length === 0 ? '*' : `${at}-${at + bytes.length - 1}`;
    return this.service.sendOn(this.session!, {
      method: 'PUT',
      headers: {
        'content-range': `bytes ${range}/${total ?? '*'}`,
        'content-length': `${bytes?.length ?? 0}`,
      },
      body: bytes,
    });
  }

  /** How many bytes there are by an answer, or that the object is there. */
  private keptBy(answer: GsAnswer, total: number | undefined): number | 'all' {
    if (answer.status === INCOMPLETE)
      return 1 + Number(/^bytes=0-(\d+)$/.exec(answer.headers.range ?? '')?.[1] ?? -1);
    if (answer.status !== 200 && answer.status !== 201) throw refusalOf(answer);
    const { size } = said<{ size?: string }>(answer.text);
    if (size === undefined) throw new Error('the service does not say that the object is there');
    if (total !== undefined && Number(size) === total) return 'all';
    const wrong = new Error(`the service made an object of ${size} bytes, of ${total ?? 'more'}`);
    throw new Unsettled('there', wrong);
  }

  async abort(): Promise<void> {
    const { session } = this;
    if (session === undefined) return;
    this.session = undefined;
    await this.givenUp(session);
  }

  private async givenUp(session: string): Promise<GsAnswer> {
    const answer = await this.service.sendOn(session, {
      method: 'DELETE',
      headers: { 'content-length': '0' },
    });
    if (answer.status >= 300 && !GIVEN_UP.has(answer.status)) throw refusalOf(answer);
    return answer;
  }
}
