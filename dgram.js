export * from './lib/dgram.js'
