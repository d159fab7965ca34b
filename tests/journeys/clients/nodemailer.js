// Nodemailer: composes the mail; an 8-bit part it takes in raw form only.
const fs = require('fs');
const { PassThrough } = require('stream');
const nodemailer = require('nodemailer');
const env = process.env;

const transport = nodemailer.createTransport({
    host: env.HOST,
    port: Number(env.PORT),
    secure: env.SECURITY === 'tls',
    requireTLS: env.SECURITY === 'starttls',
    auth: { user: env.USERNAME, pass: env.PASSWORD },
    tls: { ca: fs.readFileSync(env.CA_FILE) },
});

const sent = [];
transport.use('stream', (mail, done) => {
    mail.message.transform(() => new PassThrough().on('data', (piece) => sent.push(piece)));
    done();
});

const head = 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n';
transport
    .sendMail({
        from: env.FROM,
        to: env.TO,
        envelope: { from: env.FROM, to: env.TO, use8BitMime: true },
        subject: env.SUBJECT,
        attachments: [
            { raw: Buffer.concat([Buffer.from(head), fs.readFileSync(env.TEXT)]) },
            { filename: 'invoice.pdf', content: fs.readFileSync(env.ATTACHMENT) },
        ],
    })
    .then(() => fs.writeFileSync(env.SENT, Buffer.concat(sent)))
    .catch((error) => {
        console.error(error.message);
        process.exit(1);
    });
