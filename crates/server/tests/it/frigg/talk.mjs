// What a client does with a back end of Frigg, by the requester and the token of the npm package
// `@friggframework/core`: an account by a form, an integration of it from its making to its end.
//
// node talk.mjs URL USERNAME PASSWORD, where the package is installed
// Prints each exchange as a line of JSON: {name, method, path, status, body}.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [url, username, password] = process.argv.slice(2);
const said = console.log;
console.log = console.error;
const load = createRequire(`${process.cwd()}/`);
const { ApiKeyRequester } = load('@friggframework/core');
const fetch = load('node-fetch');
const { Token } = load('@friggframework/core/database/models/Token');

class Client extends ApiKeyRequester {
  constructor() {
    // What fails is told, not tried again. The requester makes one text of such an answer, so that a
    // copy is kept.
    super({
      backOff: [],
      fetch: async (...all) => {
        const response = await fetch(...all);
        this.failed = response.status < 400 ? null : response.clone();
        return response;
      },
    });
    this.API_KEY_NAME = 'authorization';
    // Of what was learned, for {name} in paths.
    this.known = {};
  }

  async say(name, method, path, body) {
    const options = {
      url: url + path.replace(/\{(\w+)\}/g, (_, name) => this.known[name]),
      headers: { 'content-type': 'application/json' },
      body,
      returnFullRes: true,
    };
    const response = await this[`_${method}`](options).catch((error) => {
      if (!this.failed) throw error;
      return this.failed;
    });
    const answer = await this.parsedBody(response);
    said(JSON.stringify({ name, method, path, status: response.status, body: answer }));
    return answer;
  }

  signedIn({ token }) {
    const { id, token: inner } = Token.getJSONTokenFromBase64BufferToken(token);
    if (!id || !inner) throw new Error(`no token of Frigg: ${token}`);
    this.setApiKey(`Bearer ${token}`);
  }
}

// An invented app: takes what is posted, and keeps it.
const told = [];
const listener = createServer((request, response) => {
  let text = '';
  request.on('data', (part) => { text += part; });
  request.on('end', () => {
    told.push(JSON.parse(text));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});
await new Promise((done) => { listener.listen(0, '127.0.0.1', done); });
const address = `http://127.0.0.1:${listener.address().port}/hook`;

const client = new Client();
const { known } = client;
await client.say('nobody', 'get', '/api/integrations');
await client.say('login wrong', 'post', '/user/login', { username, password: `not ${password}` });
await client.say('create user', 'post', '/user/create', { username: 'nia', password });
client.signedIn(await client.say('login', 'post', '/user/login', { username, password }));

await client.say('nothing yet', 'get', '/api/integrations');
await client.say('requirements missing', 'get', '/api/authorize');
await client.say('requirements unknown', 'get', '/api/authorize?entityType=nothing');
await client.say('requirements', 'get', '/api/authorize?entityType=webhook&connectingEntityType=webhook');
await client.say('authorize missing', 'post', '/api/authorize', { entityType: 'webhook' });
const account = { entityType: 'webhook', data: { url: address, label: 'Mine' } };
const connected = await client.say('authorize', 'post', '/api/authorize', account);
known.entity = connected.entity_id;
const again = await client.say('authorize again', 'post', '/api/authorize', account);
if (again.entity_id !== connected.entity_id) throw new Error('the same account was made twice');
await client.say('entity', 'get', '/api/entities/{entity}');
await client.say('entity test', 'get', '/api/entities/{entity}/test-auth');

await client.say('create missing', 'post', '/api/integrations', { entities: [known.entity] });
const made = await client.say('create', 'post', '/api/integrations', {
  entities: [known.entity, known.entity], config: { type: 'webhook-notice', category: 'CRM' },
});
known.integration = made.id;
await client.say('list', 'get', '/api/integrations');
await client.say('show', 'get', '/api/integrations/{integration}');
await client.say('config options', 'get', '/api/integrations/{integration}/config/options');
await client.say('config options again', 'post', '/api/integrations/{integration}/config/options/refresh', {});
const patched = await client.say('configure', 'patch', '/api/integrations/{integration}', {
  config: { min_severity: 'LOW' },
});
if (patched.config.min_severity !== 'LOW') throw new Error('it is not configured');
await client.say('action options', 'get', '/api/integrations/{integration}/actions/SEND_TEST/options');
await client.say('action options again', 'post', '/api/integrations/{integration}/actions/SEND_TEST/options/refresh', {});
await client.say('action', 'post', '/api/integrations/{integration}/actions/SEND_TEST', {});
if (told.length !== 1 || told[0].event !== 'test') throw new Error(`told was ${JSON.stringify(told)}`);
await client.say('test', 'get', '/api/integrations/{integration}/test-auth');
await client.say('delete', 'delete', '/api/integrations/{integration}');
await client.say('nothing left', 'get', '/api/integrations');
listener.close();
process.exit(0);
