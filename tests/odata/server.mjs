// An OData v4 server that others wrote (SAP's CAP runtime), in the place of an org's Notes, for
// tests/it/foreign.rs. Keys, preconditions, etags, columns, types, `Prefer`, media types, sizes and
// statuses are judged by it alone, against its own database, which ends with the process.
//
// Three things are Dataverse's own, or repaired, and done here:
// 1. an error for a row that is not there carries Dataverse's code, under CAP's own status 404;
// 2. a create of a row that is there: the database refuses it, CAP calls that 500, and RFC 9110 says
//    412 for a request with `If-None-Match: *`;
// 3. a lookup is annotated with its table when `Prefer: odata.include-annotations` asks for it. CAP
//    has no polymorphic lookup: `_objectid_value` is a column of the view in notes.cds.
//
// CAP is not open source: nothing of it is in this repository or in the crate, and whoever installs
// it (`npm ci --prefix tests/odata`) accepts SAP's developer licence. So it is everybody's own choice:
// nothing here installs it, and without it the tests say that they were skipped.
//
// The database is SQLite in WebAssembly, so that nothing has to be compiled: .npmrc keeps the native
// one, which is installed beside it, from building. Prints its port as the first line.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import cds from '@sap/cds';
import express from 'express';

const LOGICAL_NAME = 'Microsoft.Dynamics.CRM.lookuplogicalname';

// The first line belongs to the port.
for (const level of ['debug', 'info', 'log', 'warn', 'error']) console[level] = () => {};
cds.env.runtime.patch_as_upsert = true;
cds.env.server.body_parser = { limit: '48kb' };
cds.env.requires.auth = { kind: 'dummy' };
cds.env.requires.db = {
  kind: 'sqlite', impl: '@cap-js/sqlite', driver: 'sql.js', credentials: { url: ':memory:' },
};

cds.middlewares.after.unshift((error, request, _response, next) => {
  if ((error.status ?? error.code) == 404) error.code = '0x80040217';
  const taken = /^UNIQUE constraint failed: stored_annotations\.annotationid/.test(error.message);
  if (taken && request.headers['if-none-match'] === '*') {
    Object.assign(error, { status: 412, code: '0x80040237' });
  }
  next(error);
});

const written = await cds.load(fileURLToPath(new URL('notes.cds', import.meta.url)));
const model = cds.compile.for.nodejs(written);
cds.model = model;
cds.db = await cds.connect.to('db');
await cds.deploy(written).to(cds.db);
const app = express();
cds.app = app;
const { WebApi } = await cds.serve('all').from(model).in(app);
WebApi.after('READ', 'annotations', (rows, { headers }) => {
  if (!headers?.prefer?.includes(LOGICAL_NAME)) return;
  for (const row of [rows].flat()) {
    if (row?._objectid_value) row[`_objectid_value@${LOGICAL_NAME}`] = 'opportunity';
  }
});

const server = createServer(app);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
// Lives as long as the test holds its standard input.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
