require_relative "shop"

Shop.initialize!
Shop.routes.draw { resources :orders, only: %i[index create] }
run Shop
