# Sends as Zammad does: Ruby's mail, its parameters made from the fields of "Email Outbound".
require 'json'
require 'mail'

fields = JSON.parse(ENV['SETTINGS'])
raise "not SMTP: #{fields}" unless fields['Send Mails via'] == 'SMTP'

parameters = {
  address: fields['Host'],
  port: fields['Port'].to_i,
  domain: 'desk.acme.example',
  enable_starttls_auto: true,
  openssl_verify_mode: fields['SSL verification'] == 'yes' ? 'peer' : 'none',
  user_name: fields['User'],
  password: fields['Password']
}
parameters[:ssl] = true if parameters[:port] == 465

mail = Mail.new(
  from: '"Anna via Acme Support" <support@acme.example>',
  to: ENV['TO'],
  subject: ENV['SUBJECT'],
  charset: 'utf-8'
)
mail.text_part = Mail::Part.new { content_type 'text/plain; charset=utf-8' }
mail.text_part.body = ENV['TEXT']
mail.html_part = Mail::Part.new { content_type 'text/html; charset=utf-8' }
mail.html_part.body = "<p>#{ENV['TEXT']}</p>"
mail.delivery_method(:smtp, parameters)
mail.deliver
