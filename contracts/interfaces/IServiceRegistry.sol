// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "./ILedger.sol";
import {IRules} from "./IRules.sol";
import {Service, ServiceTerms} from "../types/Service.sol";

/// @title ServiceRegistry: what providers offer
/// @notice Providers register services and change their terms. The part of IFineTuningServing about services.
interface IServiceRegistry {
    /// @notice Emitted when a provider offers a service.
    /// @param provider the provider
    /// @param stake neuron reserved in its account
    /// @param offer number of the offer that these terms are
    /// @param terms what it offers
    event ServiceRegistered(address indexed provider, uint256 stake, uint256 offer, ServiceTerms terms);
    /// @notice Emitted when a provider changes its terms, for tasks created from now on.
    /// @param provider the provider
    /// @param offer number of the offer that these terms are
    /// @param terms all of the new terms
    event ServiceUpdated(address indexed provider, uint256 offer, ServiceTerms terms);
    /// @notice Emitted when a provider ends its service.
    /// @param provider the provider
    /// @param stake neuron of it that is free again
    event ServiceRemoved(address indexed provider, uint256 stake);

    /// @notice Thrown when a provider has no registered service.
    /// @param provider the provider
    error ServingUnknownService(address provider);
    /// @notice Thrown when a provider that already has a service registers one. Call `updateService`.
    /// @param provider the provider
    error ServingServiceExists(address provider);
    /// @notice Thrown when a service cannot be removed because its provider still has open tasks.
    /// @param provider the provider
    /// @param open number of open tasks
    error ServingTasksOpen(address provider, uint256 open);
    /// @notice Thrown when a field of the terms is out of its bounds (types/Service.sol).
    /// @param field name of the first such field
    error ServingInvalidTerms(string field);
    /// @notice Thrown when a public key is not 33 bytes or does not begin with 2 or 3.
    error ServingInvalidPublicKey();
    /// @notice Thrown when the contract is deployed with a parameter out of its bounds (types/ServingParameters.sol),
    /// or with a ledger that is not a contract.
    /// @param name name of the parameter
    /// @param value its value, in its unit; for the ledger, its address as a number
    error ServingParameterOutOfBounds(string name, uint256 value);

    /// @notice Offers a service; reserves the minimum stake in the caller's sub-account with itself.
    /// @dev Reverts with ServingServiceExists, ServingInvalidTerms, ServingInvalidPublicKey, and like Ledger.reserve.
    /// A price of 0 is refused: the bond would be 0 too.
    /// @param terms what is offered
    function registerService(ServiceTerms calldata terms) external;

    /// @notice Changes the caller's terms. Tasks already created keep the terms they were created under.
    /// @dev Reverts with ServingUnknownService, ServingInvalidTerms, ServingInvalidPublicKey.
    /// @param terms all of the terms, changed or not
    function updateService(ServiceTerms calldata terms) external;

    /// @notice Ends the caller's service and releases its stake. Requires that no task is open. The counters remain: a
    /// provider that registers again keeps its history.
    /// @dev Reverts with ServingUnknownService, ServingTasksOpen.
    function removeService() external;

    /// @notice The contract that holds all money.
    /// @return the Ledger, fixed at deployment
    function ledger() external view returns (ILedger);
    /// @notice The rules that need no state: which terms may be offered, and what is proved about a delivery.
    /// @return the contract that has them, created with this one
    function rules() external view returns (IRules);
    /// @notice The service of a provider.
    /// @dev Reverts with ServingUnknownService.
    /// @param provider the provider
    /// @return its stake, terms and counters
    function serviceOf(address provider) external view returns (Service memory);
    /// @notice How many places the list of services has. A removed service leaves its place empty; a provider that
    /// registers again gets its old place.
    /// @return places, including empty ones
    function serviceCount() external view returns (uint256);
    /// @notice One page of the services, in the order of first registration. Shorter than `limit` if places are empty:
    /// increase `offset` by `limit` up to `serviceCount()`, whatever a page's length.
    /// @param offset the page's first place in the list, from 0
    /// @param limit places that the page covers
    /// @return the services in the places [offset, offset + limit)
    function services(uint256 offset, uint256 limit) external view returns (Service[] memory);
    /// @notice What a provider reserves while its service is registered.
    /// @return neuron, fixed at deployment
    function minimumStake() external view returns (uint256);
}
