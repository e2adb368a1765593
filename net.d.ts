export * from './dist/net/index.js'
export { default } from './dist/net/index.js'
