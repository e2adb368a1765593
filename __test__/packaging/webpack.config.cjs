module.exports = {
  target: 'node',
  mode: 'production',
  entry: './program.cjs',
  module: { rules: [{ test: /\.node$/, loader: 'node-loader' }] },
}
