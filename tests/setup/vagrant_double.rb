# frozen_string_literal: true

# Loads a Vagrantfile (the first argument) with a stand-in for Vagrant's own words, and prints what it asked for as
# JSON. The second argument is what a machine would say of its forwarded ports, host → guest; "null" for a provider
# that cannot be asked. Knows no more of Vagrant than the project's Vagrantfile uses: any other word is an error.

require "json"

class Section
  def initialize(store) = @store = store

  def respond_to_missing?(name, _all = false) = name.end_with?("=")

  def method_missing(name, *arguments)
    return super unless name.end_with?("=")

    @store[name.to_s.delete_suffix("=")] = arguments.first
  end
end

class Machine < Section
  def memorybacking(kind, options) = @store["memorybacking"] = [kind, options]
end

class VirtualMachine < Section
  attr_reader :networks

  def initialize(store)
    super
    @networks = []
    @store.update("networks" => [], "folders" => {}, "providers" => {}, "provisions" => [])
  end

  def network(kind, **options)
    @networks << [kind.to_sym, options]
    @store["networks"] << options.merge(kind: kind)
  end

  def synced_folder(here, there, **options) = @store["folders"][options[:id] || there] = options.merge(here: here, there: there)
  def provision(kind, **options) = @store["provisions"] << options.merge(kind: kind)

  def provider(name, &block)
    override = {}
    settings = @store["providers"][name] = { "override" => override }
    inner = Configuration.new(override)
    block.arity == 1 ? block.call(Machine.new(settings)) : block.call(Machine.new(settings), inner)
  end
end

class Configuration
  attr_reader :vm, :trigger

  def initialize(store)
    @vm = VirtualMachine.new(store)
    @trigger = Triggers.new
  end
end

class Triggers
  attr_reader :block

  def after(*_verbs, &block) = block.call(self)
  def name=(_name); end
  def ruby(&block) = @block = block
end

class Vagrant
  CONFIGURATIONS = []
  STORE = {}

  def self.require_version(words) = STORE["version"] = words

  def self.configure(_version)
    configuration = Configuration.new(STORE)
    CONFIGURATIONS << configuration
    yield configuration
  end

  module Util
    module Which
      def self.which(_name) = ENV["HAS_RSYNC"] && "/usr/bin/rsync"
    end
  end
end

Provider = Struct.new(:forwarded) do
  def capability?(_name) = !forwarded.nil?
  def capability(_name) = forwarded
end

class Terminal
  def success(text) = (Vagrant::STORE["said"] ||= []) << text
  def warn(text) = (Vagrant::STORE["warned"] ||= []) << text
end

class Communicator
  def execute(command)
    (Vagrant::STORE["executed"] ||= []) << command
    yield(:stdout, "secret\n") if block_given? && command.include?("token")
  end
end

Around = Struct.new(:provider, :config, :communicate, :ui)

load ARGV[0]
forwarded = JSON.parse(ARGV[1])&.to_h { |host, guest| [Integer(host), guest] }
configuration = Vagrant::CONFIGURATIONS.first
machine = Around.new(Provider.new(forwarded), configuration, Communicator.new, Terminal.new)
configuration.trigger.block.call(nil, machine)
puts JSON.generate(Vagrant::STORE)
