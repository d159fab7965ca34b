# Sends as Chatwoot does: Rails' ActionMailer, its settings made from variables of .env.
require 'logger' # which ActiveSupport 6.1 forgets
require 'action_mailer'

ActionMailer::Base.smtp_settings = {
  address: ENV['SMTP_ADDRESS'],
  port: ENV['SMTP_PORT'],
  domain: ENV['SMTP_DOMAIN'],
  user_name: ENV['SMTP_USERNAME'],
  password: ENV['SMTP_PASSWORD'],
  authentication: ENV['SMTP_AUTHENTICATION'].to_sym,
  enable_starttls_auto: ENV['SMTP_ENABLE_STARTTLS_AUTO'] == 'true',
  openssl_verify_mode: ENV['SMTP_OPENSSL_VERIFY_MODE']
}

# One answer of an agent.
class Answer < ActionMailer::Base
  default from: ENV['MAILER_SENDER_EMAIL']

  def answer
    mail(to: ENV['TO'], subject: ENV['SUBJECT']) do |format|
      format.text { render plain: ENV['TEXT'] }
      format.html { render html: "<p>#{ENV['TEXT']}</p>".html_safe }
    end
  end
end

Answer.answer.deliver_now
