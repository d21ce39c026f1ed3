// A module of one's own, loaded by a configuration file:
//   loadmodule "./greeting-module.mjs"
//   modparam("greeting", "word", "Ahoj")
// The default export may be a function: then the file needs no import, wherever it lies. It gets all that the package exports.
export default ({ defineModule, command }) =>
  defineModule({
    name: 'greeting',
    parameters: {
      word: { type: 'string', default: 'Hello', help: 'what a greeting begins with' },
    },
    load: ({ parameters, httpd }) => {
      httpd.registerRoot({
        module: 'greeting',
        root: 'greeting',
        contentType: 'text/plain',
        methods: ['GET'],
        onRequest: (exchange) => exchange.reply(200, `${parameters.word}, ${exchange.argument('name') ?? 'world'}!\n`),
      });
      return {
        commands: [
          command({
            name: 'greet',
            help: 'Greets somebody.',
            recipes: [{}, { name: 'string' }],
            run: ({ name }) => `${parameters.word}, ${name ?? 'world'}!`,
          }),
        ],
      };
    },
  });
