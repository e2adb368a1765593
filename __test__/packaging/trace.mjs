// Copies what @vercel/nft finds to the folder that the argument names.
import { nodeFileTrace } from '@vercel/nft'
import { cpSync } from 'node:fs'
import { join } from 'node:path'

const { fileList } = await nodeFileTrace(['program.mjs'])
for (const file of fileList) cpSync(file, join(process.argv[2], file))
