// Loaded by Node before the program (NODE_OPTIONS). Node below 24 reads no proxy variables, so connections to the vendors'
// hosts are redirected where every one of them is made: http, https, fetch (undici) and axios all end in net.Socket.connect.
// The name that TLS checks stays the vendor's.
'use strict';

const net = require('node:net');

const { hosts, ports } = __SWAPMOCK__;
const connect = net.Socket.prototype.connect;

function redirected(options) {
  if (options === null || typeof options !== 'object' || options.path) return options;
  const host = typeof options.host === 'string' ? options.host.toLowerCase().replace(/\.$/, '') : '';
  const port = ports[Number(options.port)];
  return hosts.includes(host) && port ? { ...options, host: '127.0.0.1', port } : options;
}

net.Socket.prototype.connect = function (...args) {
  const [first] = args;
  if (Array.isArray(first)) {
    first[0] = redirected(first[0]); // net.connect() has put its arguments in order already
  } else if (typeof first === 'object') {
    args[0] = redirected(first);
  } else if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) {
    const host = typeof args[1] === 'string' ? args[1] : 'localhost';
    const to = redirected({ host, port: Number(first) });
    if (to.host !== host) return connect.call(this, to, ...args.slice(2));
  }
  return connect.apply(this, args);
};
