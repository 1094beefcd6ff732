// The one door to a profile: attaches to the process that owns it, or becomes that process.

import { resolve } from 'node:path';
import { shellWord } from '../../keystore/owner.ts';
import { formatAddress, isLoopback, parseAddress } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Common } from '../command.ts';
import { openPins, relayOf, tell } from '../profile.ts';
import { readRelay, relayWish, TRANSPORTS, transportOf } from '../transports.ts';
import type { Agent } from './agent.ts';
import { enclaveAddress } from './enclave.ts';
import { House } from './house.ts';
import { becomeOwner, RECOVER } from './owner.ts';
import type { OwnerOptions } from './owning.ts';
import { dialProfile } from './place.ts';
import { findProfile, openSame, type Profile } from './profile.ts';
import { Remote } from './remote.ts';
import { findSeat } from './seat.ts';
import { HOUSE, VERBS_MARK } from './wire.ts';

const DIRECT =
  'auto: whom you meet directly sees the address of this machine, and the network sees that you two talk.';
/** How long an owner may need before he serves: at the start, and when one has ended. */
const PATIENCE = { firstMs: 30_000, laterMs: 15_000 };

/**
 * The messenger of the chosen identity, in this process or in the one that has it already; `options`
 * are for the case that it is this one. Throws what opening key and store throws, `store-busy` when the
 * owner does not serve, `other-version`, and `other-relay` when he uses another one than was named.
 */
export async function openAgent(settings: Common, options: OwnerOptions = {}): Promise<Agent> {
  const door = new Door(settings, options);
  const hinted = await findProfile(settings);
  // Somebody who has opened the key may serve: then nobody is asked for its passphrase.
  const served = hinted.opened ? null : await door.attach(hinted);
  const profile = served ? hinted : await hinted.open();
  const never = new AbortController().signal;
  const seat = served ?? (await door.find(profile, never));
  door.begun();
  return new House(seat, (signal) => door.find(profile, signal));
}

class Door {
  readonly #settings: Common;
  readonly #options: OwnerOptions;
  readonly #named: string | null; // the relay
  #used: string | null = null; // that of the last owner
  #isFirst = true;

  constructor(settings: Common, options: OwnerOptions) {
    this.#settings = settings;
    this.#options = options;
    const { relay, transport } = settings;
    const { enclave, way } = options;
    if (enclave && way === 'enclave') this.#named = enclaveAddress(enclave.listen);
    else
      this.#named = relay === null ? null : formatAddress(readRelay(relay, relayWish(transport)));
  }

  /** From here on the terminal may be a screen's: nothing is said on stderr any more. */
  begun(): void {
    this.#isFirst = false;
  }

  find(profile: Profile, signal: AbortSignal): Promise<Agent> {
    const canOpen = profile.opened !== null || this.#settings['passphrase-fd'] !== null;
    return findSeat(
      {
        directory: profile.directory,
        attach: () => this.attach(profile),
        own: canOpen ? () => this.#own(profile) : null,
      },
      { signal, patienceMs: this.#isFirst ? PATIENCE.firstMs : PATIENCE.laterMs },
    );
  }

  /** Null when nobody serves. */
  async attach({ name, key, directory }: Profile): Promise<Agent | null> {
    const channel = await dialProfile(directory);
    if (!channel) return null;
    const hello = { house: HOUSE, verbs: VERBS_MARK, key, relay: this.#named };
    const remote = await Remote.enter(channel, { me: { name, key }, hello });
    const used = transportOf(parseAddress(remote.owner.relay));
    const wished = this.#settings.transport;
    if (this.#isFirst && wished !== null && wished !== 'auto' && wished !== used) {
      await remote.close();
      throw new FleximError(
        'other-relay',
        `process ${remote.owner.pid} has this profile, and it is connected by ${used}: ` +
          'leave --transport out, or close it first',
      );
    }
    this.#used = remote.owner.relay;
    return remote;
  }

  async #own(profile: Profile): Promise<Agent> {
    const { name, key, directory } = profile;
    const opened = profile.opened ?? (await openSame(profile));
    const relay = this.#relay(key);
    return becomeOwner({
      ...{ me: { name, key }, directory, opened, relay, options: this.#options },
      pins: openPins(this.#settings),
      insecurePlaintext: this.#settings['insecure-plaintext'],
      say: (line) => this.#say(line),
      remedy: remedyOf(name, this.#settings),
      pid: process.pid,
      env: process.env,
    });
  }

  /** Who takes over goes on with the relay that the last owner used. */
  #relay(key: string) {
    const text = this.#named ?? this.#used;
    const relay = text === null ? relayOf(this.#settings, key) : parseAddress(text);
    const { warning } = TRANSPORTS[transportOf(relay)];
    if (warning !== null && !isLoopback(relay.host)) this.#say(warning);
    const { way, enclave } = this.#options;
    if (way === 'auto' && enclave && !isLoopback(parseAddress(enclaveAddress(enclave.listen)).host))
      this.#say(DIRECT);
    return relay;
  }

  #say(line: string): void {
    if (this.#isFirst) tell(line);
  }
}

function remedyOf(name: string, { data }: Common): string {
  const more = data === null ? '' : ` --data ${shellWord(resolve(data))}`;
  return `${RECOVER} --as ${shellWord(name)}${more}`;
}
