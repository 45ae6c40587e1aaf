// node compare.mjs FILE…: asks the simulator of IAM by Cloud Copilot what our own reading of policies was asked, and prints
// each difference. A line of a file is {"policies": [DOCUMENT…], "requests": [{"action", "resource", "context", "allowed"}…]}.
import fs from 'node:fs'
import readline from 'node:readline'
import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const account = '123456789012'
// For KMS the simulator also wants the key's own policy, which is not what is compared: under another name it is a service
// like any other.
const renamed = (action) => action.replace(/^kms:/, 'keys:')
const withoutKMS = (document) => ({
  ...document,
  Statement: [document.Statement].flat().map((s) => ({ ...s, Action: [s.Action].flat().map(renamed) }))
})

// The simulator reads * and ? in a request as a request for many resources. In ours they are part of a path.
const literal = (text) => text.replaceAll('*', '\u2217').replaceAll('?', '\u2047')

// A key with one value is a text to the simulator, and one with several a list.
const listed = ['dynamodb:LeadingKeys']
const context = (all) =>
  Object.fromEntries(Object.entries(all ?? {}).map(([key, values]) => [key, listed.includes(key) ? values : values[0]]))

let documents = 0
let requests = 0
let differences = 0
for (const file of process.argv.slice(2)) {
  for await (const line of readline.createInterface({ input: fs.createReadStream(file) })) {
    const one = JSON.parse(line)
    documents += one.policies.length
    const identityPolicies = one.policies.map((policy, i) => ({ name: `policy ${i + 1}`, policy: withoutKMS(policy) }))
    for (const q of one.requests) {
      requests++
      const result = runUnsafeSimulation(
        {
          request: {
            principal: `arn:aws:sts::${account}:assumed-role/role/session`,
            action: renamed(q.action),
            resource: { resource: literal(q.resource), accountId: account },
            contextVariables: context(q.context)
          },
          identityPolicies,
          serviceControlPolicies: [],
          resourceControlPolicies: []
        },
        {}
      )
      if ((result === 'Allowed') !== q.allowed) {
        differences++
        if (differences <= 20) console.error(`${result}, ours ${q.allowed}: ${JSON.stringify(q)}\n  ${JSON.stringify(one.policies)}`)
      }
    }
  }
}
console.log(`${documents} documents, ${requests} requests: ${differences} differences`)
// A run that compared nothing must not look like one that found nothing.
process.exit(differences > 0 || requests < 100_000 ? 1 : 0)
