// A back end of Frigg on loopback for one test: the npm package `@friggframework/core` with one invented
// app, which is any address that takes JSON, and one type of integrations that tells it something.
//
// node backend.cjs MONGODB_URL USERNAME PASSWORD, where the package is installed
// Has that user, and prints its address as JSON. Removes its database and ends when its input does.
const { createServer } = require('node:http');
const { createRequire } = require('node:module');

process.env.STAGE = 'test';
const [address, username, password] = process.argv.slice(2);
const database = new URL(address);
database.pathname = `/frigg_${process.pid}_${Date.now()}`;
process.env.MONGO_URI = database.href;
// It logs to where our line goes.
console.log = console.error;

const load = createRequire(`${process.cwd()}/`);
const {
  ApiKeyRequester, IntegrationBase, Options, connectToDatabase, createFriggBackend, createIntegrationRouter, mongoose,
} = load('@friggframework/core');
const express = load('express');

const field = (title) => ({ type: 'string', title });
const control = (name) => ({ type: 'Control', scope: `#/properties/${name}` });

class Api extends ApiKeyRequester {
  constructor(params) {
    super(params);
    this.url = params.url;
    this.label = params.label;
  }

  getAuthorizationRequirements() {
    const jsonSchema = {
      type: 'object', required: ['url', 'label'], properties: { url: field('Address'), label: field('Name') },
    };
    const uiSchema = { type: 'VerticalLayout', elements: ['url', 'label'].map(control) };
    return { url: null, type: 'apiKey', data: { jsonSchema, uiSchema } };
  }
}

const app = {
  API: Api,
  moduleName: 'webhook',
  getName: () => 'webhook',
  requiredAuthMethods: {
    setAuthParams: async (api, { data }) => Object.assign(api, data),
    getEntityDetails: async ({ url, label }, _params, _token, user) => (
      { identifiers: { externalId: url, user }, details: { name: label } }),
    getCredentialDetails: async ({ url }, user) => ({ identifiers: { externalId: url, user }, details: {} }),
    apiPropertiesToPersist: { credential: ['url', 'label'], entity: [] },
    testAuthRequest: async () => true,
  },
};

class Notice extends IntegrationBase {
  static Config = { name: 'webhook-notice', version: '1', supportedVersions: [], events: [] };

  static modules = { webhook: app };

  static Options = new Options({
    module: app,
    hasUserConfig: true,
    display: { name: 'Webhook', description: 'Any address.', detailsUrl: 'https://invented.example', icon: 'webhook' },
  });

  async getUserActions() {
    return { SEND_TEST: { title: 'Send a test', description: 'Sends.', userActionType: 'QUICK_ACTION' } };
  }

  async getConfigOptions() {
    const jsonSchema = { type: 'object', properties: { min_severity: field('From which severity on') } };
    return { jsonSchema, uiSchema: { type: 'VerticalLayout', elements: [control('min_severity')] } };
  }

  async onUpdate({ config }) {
    this.record.config = { ...this.record.config, ...config };
    await this.record.save();
  }

  async receiveNotification() {
    const { api } = this.target;
    await api._post({ url: api.url, headers: { 'content-type': 'application/json' }, body: { event: 'test' } });
    return {};
  }
}

async function main() {
  await connectToDatabase();
  const factory = createFriggBackend({ integrations: [Notice], user: { usePassword: true } });
  const { User } = factory;
  await User.createIndividualUser({ username, password });
  const caught = (handler) => (...all) => handler(...all).catch(all[2]);
  const router = express();
  router.use(express.json());
  router.use(caught(async (request, _response, next) => {
    const token = request.headers.authorization?.split(' ')[1];
    request.user = await User.newUser(token ? { token } : {});
    next();
  }));
  const lets = (find) => caught(async (request, response) => {
    const user = await find(request.body);
    response.status(201).json({ token: await user.createUserToken(120) });
  });
  router.post('/user/login', lets((body) => User.loginUser(body)));
  router.post('/user/create', lets((body) => User.createIndividualUser(body)));
  createIntegrationRouter({
    router,
    factory,
    getUserId: (request) => request.user.getUserId(),
    requireLoggedInUser: (request, response, next) => (
      request.user.isLoggedIn() ? next() : response.status(401).json({ error: 'Invalid Token' })),
  });
  router.use((error, _request, response, _next) => {
    response.status(error.output?.statusCode ?? 500).json({ error: error.message });
  });
  const server = createServer(router);
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`);
  });
  process.stdin.resume().on('end', async () => {
    await mongoose.connection.dropDatabase();
    process.exit(0);
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
