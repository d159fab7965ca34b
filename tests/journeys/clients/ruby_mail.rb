# Ruby's mail: composes the mail.
require 'mail'

mail = Mail.new(from: ENV['FROM'], to: ENV['TO'], subject: ENV['SUBJECT'], charset: 'utf-8')
mail.transport_encoding = '8bit'
mail.text_part = Mail::Part.new
mail.text_part.content_type = 'text/plain; charset=utf-8'
mail.text_part.content_transfer_encoding = '8bit'
mail.text_part.body = File.read(ENV['TEXT'], encoding: 'utf-8')
mail.add_file(filename: 'invoice.pdf', content: File.binread(ENV['ATTACHMENT']))
mail.delivery_method(
  :smtp,
  address: ENV['HOST'],
  port: ENV['PORT'].to_i,
  user_name: ENV['USERNAME'],
  password: ENV['PASSWORD'],
  authentication: :plain,
  ssl: ENV['SECURITY'] == 'tls',
  enable_starttls: ENV['SECURITY'] == 'starttls',
  openssl_verify_mode: 'peer',
  ca_file: ENV['CA_FILE']
)
mail.deliver!
# A line that is a dot alone is stuffed by mail 2.7, and once more by Net::SMTP below it.
File.binwrite(ENV['SENT'], mail.encoded.gsub(/^\.\r$/, "..\r"))
