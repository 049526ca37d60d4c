// As a web service does it: nodemailer.js PORT LOGIN PASSWORD CA FROM TO starttls|implicit [MECHANISM]
'use strict';
const fs = require('fs');
const [port, user, pass, ca, from, to, tls, method] = process.argv.slice(2);

require('nodemailer').createTransport({
	host: '127.0.0.1',
	port: Number(port),
	secure: tls === 'implicit',
	requireTLS: tls === 'starttls',
	auth: { user, pass },
	authMethod: method || undefined,
	tls: { ca: fs.readFileSync(ca) },
}).sendMail({
	from: { name: 'Müllers Shop', address: from },
	to,
	subject: 'order 42',
	priority: 'high',
	text: 'Grüße\n.\n..\n',
	attachments: [{
		filename: 'a.bin',
		content: Buffer.concat(Array(40).fill(Buffer.from(Array.from(Array(256).keys())))),
	}],
}).catch(problem => {
	console.error(problem);
	process.exitCode = 1;
});
