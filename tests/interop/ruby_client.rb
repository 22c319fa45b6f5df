# The interop client of Debian's ruby-grpc, many cases in one process:
#
#   ruby ruby_client.rb THE_GEMS_CLIENT.rb HOST PORT USE_TLS CASE...
#
# says of each how it went, on a line of its own.
require 'json'
path, host, port, use_tls, *cases = ARGV
require path

GRPC.logger.level = Logger::ERROR
$stdout.sync = true
cases.each do |name|
  args = Args.new(nil, host, '', nil, port, use_tls == 'true', name, false)
  begin
    NamedTests.new(create_stub(args), args).method(name).call
    puts "ok #{name}"
  rescue StandardError => e
    puts "failed #{name} #{e.full_message(highlight: false).to_json}"
  end
end
