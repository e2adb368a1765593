export * from './lib/net.js'
export { default } from './lib/net.js'
