// Starts GraphiQL against this very server. The header is what the server asks of scripts that
// call in a signed-in person's name.
(function () {
  'use strict';
  var fetcher = GraphiQL.createFetcher({
    url: '/api',
    subscriptionUrl: window.location.origin.replace(/^http/, 'ws') + '/api',
    headers: { 'X-Gna-Request': 'graphiql' },
  });
  var first = [
    '# Who am I, and what is open in my groups?',
    'query {',
    '  viewer {',
    '    actor',
    '    organizations { organization { slug name } groups { group { slug overview { open } } } }',
    '  }',
    '}',
    '',
  ].join('\n');
  ReactDOM.createRoot(document.getElementById('graphiql')).render(
    React.createElement(GraphiQL, { fetcher: fetcher, defaultQuery: first, shouldPersistHeaders: false })
  );
})();
