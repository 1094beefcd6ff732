// People with a messenger and a chat over it, at a relay in this process: the whole chain without a
// terminal.

import type { Agent } from '../../../src/cli/agent/agent.ts';
import { LocalAgent } from '../../../src/cli/agent/local.ts';
import { App } from '../../../src/cli/chat/app.ts';
import { fullScreen } from '../../../src/cli/chat/full.ts';
import { LiveChat } from '../../../src/cli/chat/live.ts';
import type { Change } from '../../../src/cli/chat/model.ts';
import { painter } from '../../../src/cli/chat/paint.ts';
import { type MessengerOptions, openMessenger } from '../../../src/client/messenger.ts';
import { type Identity, newIdentity } from '../../../src/crypto/identity.ts';
import { randomBytes } from '../../../src/crypto/sodium.ts';
import { MemoryStore } from '../../client/memory.ts';
import { dialRelay, memoryPins } from '../../relay.ts';
import { until } from '../../scene.ts';
import { TinyTerminal } from './terminal.ts';

const SIZE = { columns: 80, rows: 24 };

export interface TalkerOptions extends Partial<MessengerOptions> {
  readonly port: number;
  readonly alias?: string;
  readonly identity?: Identity;
  readonly presence?: boolean;
  readonly disk?: MemoryStore;
  /** What the chat talks to instead of the agent itself. */
  readonly through?: (agent: LocalAgent) => Agent;
}

export class Talker {
  readonly identity: Identity;
  readonly agent: LocalAgent;
  readonly chat: LiveChat;
  readonly app: App;
  readonly changes: Change[] = [];
  readonly left: unknown[] = []; // how he was made to leave

  private constructor(identity: Identity, agent: LocalAgent, chat: LiveChat) {
    this.identity = identity;
    this.agent = agent;
    this.chat = chat;
    chat.onChange((change) => this.changes.push(change));
    this.app = new App(chat, {
      ...{ draw() {}, redraw() {}, suspend() {}, ring() {} },
      quit: () => void this.left.push('quit'),
      fail: (error) => void this.left.push(error),
    });
  }

  static async open(options: TalkerOptions): Promise<Talker> {
    const {
      port,
      alias = null,
      presence = false,
      identity = newIdentity(),
      disk,
      through,
      ...rest
    } = options;
    const messenger = await openMessenger({
      ...{ identity, storeKey: randomBytes(32), store: disk ?? new MemoryStore(), signs: presence },
      dial: () =>
        dialRelay(port, {
          ...{ identity, alias, pins: memoryPins(), reconnect: { minMs: 1, maxMs: 20 } },
        }),
      ...{ again: { minMs: 1, maxMs: 20 }, tickMs: null, sizes: { otkBatch: 4, otkLow: 2 } },
      ...rest,
    });
    const me = { name: alias ?? 'me', key: identity.hex };
    const agent = new LocalAgent(me, messenger, async () => {});
    const chat = await LiveChat.open(through?.(agent) ?? agent, {
      relay: { host: '127.0.0.1', port },
      presence,
    });
    return new Talker(identity, agent, chat);
  }

  get key(): string {
    return this.identity.hex;
  }

  /** Connected, and others can write to him. */
  async up(): Promise<this> {
    for (;;) {
      const { relay, published } = await this.agent.ask('status');
      if (relay && published && this.chat.connection().state === 'online') return this;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async enter(line: string): Promise<void> {
    this.app.editor.set(line);
    this.app.press({ kind: 'key', name: 'enter' });
    await this.app.session.idle();
  }

  /** What a terminal would show now; `strange` is what it would not understand. */
  look(size = SIZE): { readonly screen: string; readonly strange: readonly string[] } {
    const terminal = new TinyTerminal(size.rows);
    terminal.write(fullScreen(this.app, painter(true)).render(size));
    this.app.shown();
    return { screen: terminal.screen.join('\n'), strange: terminal.strange };
  }

  /** Waits for the screen to show it. */
  async sees(words: RegExp): Promise<string> {
    await until(() => words.test(this.look().screen), `${words} in\n${this.look().screen}`);
    return this.look().screen;
  }

  async close(): Promise<void> {
    await this.chat.close();
    await this.agent.close();
    this.app.close();
  }
}

/** Two people at one relay, gone when the test ends. */
export async function withTalkers(
  port: number,
  body: (alice: Talker, bob: Talker) => Promise<void>,
  options: Partial<TalkerOptions> = {},
): Promise<void> {
  const alice = await Talker.open({ port, alias: 'alice', ...options });
  const bob = await Talker.open({ port, alias: 'bob', ...options });
  try {
    await Promise.all([alice.up(), bob.up()]);
    await body(alice, bob);
  } finally {
    await Promise.all([alice.close(), bob.close()]);
  }
}
