# The interop server of Debian's ruby-grpc on a free port of 127.0.0.1:
#
#   ruby ruby_server.rb THE_GEMS_SERVER.rb [CERT KEY]     prints the port
#
# The gem's own program wants a fixed port and listens everywhere, so all of it
# is loaded but its last line, the call of main.
path, cert, key = ARGV
eval(File.read(path).sub(/^main\s*\z/, ''), TOPLEVEL_BINDING, path)

credentials = :this_port_is_insecure
if cert
  pair = { private_key: File.read(key), cert_chain: File.read(cert) }
  credentials = GRPC::Core::ServerCredentials.new(nil, [pair], false)
end
server = GRPC::RpcServer.new
port = server.add_http2_port('127.0.0.1:0', credentials)
server.handle(TestTarget)
$stdout.puts(port)
$stdout.flush
server.run_till_terminated
