# A Rails application as small as they come: orders are taken and listed, PostgreSQL keeps them.
require "rails"
require "action_controller/railtie"
require "active_record/railtie"

class Shop < Rails::Application
  config.load_defaults 6.1
  config.root = __dir__
  config.eager_load = true
  config.logger = Logger.new($stderr, level: Logger::WARN)
  config.secret_key_base = "nothing here is secret, but Rails wants a key"
  config.hosts.clear
end

class Order < ActiveRecord::Base
end

class OrdersController < ActionController::API
  def create
    order = Order.create!(item: params.require(:item))
    render json: { id: order.id }, status: :created
  end

  def index
    render json: { count: Order.count, newest: Order.order(id: :desc).limit(10).pluck(:item) }
  end
end
