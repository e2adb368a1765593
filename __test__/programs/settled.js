// Makes a runtime open what it opens for itself sooner or later, because the tests count descriptors: Bun when it is first
// asked for these streams, Deno for signals, at the latest half a second after its start.
void [process.stdout, process.stderr]
const ignore = () => {}
process.on('SIGWINCH', ignore).off('SIGWINCH', ignore)
